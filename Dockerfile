# Trains on the CPU:
#   docker build --tag dcgan .
#   docker run --rm -it --volume "$PWD:/work" --user "$(id -u):$(id -g)" dcgan dcgan.train --steps 900
# The words behind the image's name are those behind `python -m`. Run folders appear in the current folder, which the
# container sees as /work; so pictures below it are there too: --data photographs/.

FROM python:3.12-slim

# The compiler makes the kernels for the processor that they run on.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

COPY . /source
RUN pip install --no-cache-dir --disable-pip-version-check /source

# The kernels are compiled here once. A folder of compiled code has to be its user's own, and --user names anyone: so
# every container copies them to its user's cache folder before it starts.
RUN XDG_CACHE_HOME=/kernels python -m gpunet.kernels && chmod -R a+rX /kernels

# Not root: a container's root owns what it writes to the mounted folder. The home folder is open to any --user.
RUN useradd --create-home --shell /bin/sh dcgan && chmod 777 /home/dcgan
USER dcgan
ENV HOME=/home/dcgan

WORKDIR /work
ENTRYPOINT ["sh", "-c", "[ -e ~/.cache/gpunet ] || { mkdir -p ~/.cache && cp -r /kernels/gpunet ~/.cache/; }; exec python -m \"$@\"", "sh"]
CMD ["dcgan"]
