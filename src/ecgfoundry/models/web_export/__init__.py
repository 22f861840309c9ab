"""A model as a page for a browser: one file, offline, with readers, gate, network and paper.

``files`` holds the page as small ES modules; :mod:`ecgfoundry.models.web_export.folder` puts them,
the model and the runtime into one file that opens from a disk.
"""
