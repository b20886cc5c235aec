"""Stylesheets and palettes: dark, light, sun (high contrast) and mono."""
