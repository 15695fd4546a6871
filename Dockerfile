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

# Not root: a container's root owns what it writes to the mounted folder. The home folder, where the compiled kernels
# are kept, is open to any --user.
RUN useradd --create-home --shell /bin/sh dcgan && chmod 777 /home/dcgan
USER dcgan
ENV HOME=/home/dcgan
RUN python -m gpunet.kernels && chmod -R a+rwX /home/dcgan/.cache

WORKDIR /work
ENTRYPOINT ["python", "-m"]
CMD ["dcgan"]
