"""From operations to answers: what waits, what is sent, what the API said.

What happens to a batch, in these words: it is *leased* for a request; *released* back into the
line, or *put off* for a while; *settled* once it is acknowledged or *dropped*, which is counted by
its reason; then the receipts that wait for it are *resolved*. A span is *unrecorded* where its
creation was dropped; its children hang on what it hung on.
"""
