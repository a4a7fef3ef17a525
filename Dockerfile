# avsync with torch for processors only. Not built where it was written: tests/test_packaging.py
# checks its commands against those of .ci/run.
#
#     docker build -t avsync .
#     docker run --rm -v "$PWD:/work" avsync detect talk.mp4
FROM python:3.11-slim-bookworm

RUN apt-get -qq update && apt-get -qq install --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/avsync
COPY . .
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# torch's usual wheel brings CUDA along; the same version without it comes from PyTorch's own index.
RUN torch=$(sed -n "s/^torch==//p" constraints.txt) && \
    python -m pip install --quiet --index-url https://download.pytorch.org/whl/cpu "torch==$torch" && \
    python -m pip install --quiet -c constraints.txt ".[report]"

# OpenCV's usual wheel wants the system's libGL and glib; its twin without windows does not.
RUN version=$(sed -n "s/^opencv-python==//p" constraints.txt) && \
    python -m pip uninstall --quiet --yes opencv-python && \
    python -m pip install --quiet "opencv-python-headless==$version"

RUN useradd --create-home avsync && avsync doctor
USER avsync
WORKDIR /work
ENTRYPOINT ["avsync"]
CMD ["--help"]
