"""Arrays in, figures out; no Streamlit, no files, no models here."""
