"""The way to the Prefactor API, which both packages of this distribution take: sessions, names,
proxies and certificates, addresses, and the API's ids.

A package of its own, because other distributions bring a ``prefactor_http`` too, and may put it in
the place of ours: what ``prefactor_otel`` needs may not lie in there. Internal to both.
"""
