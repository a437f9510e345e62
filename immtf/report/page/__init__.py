"""A run as one page of HTML that needs nothing from elsewhere, and two runs beside each other.

An `Account` is what a run amounts to: measured once from its events (`fold`), cut to what a page has room for (`trim`), drawn
(`timeline`, `render`) and kept in the page as data (`codec`), so that a page can be compared as a journal can (`compare`).
What stands in a journal comes from servers and from Terraform: it is text, and never becomes markup.
"""
