# FER Studio on one port: `docker build -t fer-studio . && docker run -p 7860:7860 fer-studio`.
# For a GPU, take torch from another index: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user
USER 1000
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    HF_HUB_DISABLE_TELEMETRY=1 \
    FER_STUDIO_PUBLIC=1 \
    HF_HOME=/home/user/.cache/huggingface \
    MPLCONFIGDIR=/home/user/.cache/matplotlib
WORKDIR /home/user/app

# The CPU wheels: PyPI's own torch brings 3 GB of CUDA along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --user --index-url "$TORCH_INDEX" torch==2.13.0
COPY --chown=1000:1000 requirements.txt ./
RUN pip install --user -r requirements.txt
COPY --chown=1000:1000 . .

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/_stcore/health', timeout=4)"]

# A Space shows the studio in a frame of another site, where the XSRF cookie is not kept and every
# upload would be refused; the check stays on wherever the studio is run without this image.
CMD ["streamlit", "run", "studio/Home.py", "--server.address=0.0.0.0", "--server.port=7860", "--server.headless=true", "--server.enableXsrfProtection=false"]
