"""Two organisations on one machine, and honest SIP traffic between them.

The lab is independent of the C code: its SIP, its DNS client and its certificates are its own, so that it can judge.

    sipmsg, siptxn, sip   messages; flows and transactions; user agents with dialogs
    dnsclient             SRV and A answers with their TTLs
    generator             users, messages and calls, counted at both ends (a process of its own)
    net, pki, dns         loopback addresses, certificates, a name server
    org, lab              one organisation; both, as a context manager
    demo                  the move of the federation route, told stage by stage
"""
