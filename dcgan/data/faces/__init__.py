"""The built-in data set: drawn faces, made when they are asked for. dcgan/data/faces/source.py is the way in."""
