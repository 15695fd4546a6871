"""The formats that --data takes, each read as a Listing.

A Listing is pictures as they lie on disk: numbered, named, of any size, decoded one by one. A Source
(dcgan.data.source) is pictures as training gets them: all of one size, in batches. `list_images` finds out which
format a path is; this folder has a file for each.
"""

from dcgan.data.formats.recognise import list_images

__all__ = ["list_images"]
