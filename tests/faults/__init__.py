"""The fault suite: real servers and workers are killed, cut off, starved and lied to; the provider's own log tells what arrived.

``make faults`` runs the short profile, ``make faults PROFILE=full`` everything at full size. `README.md` tells more.
"""
