"""The worker's rules, and what a real pod does with odd records, odd times and topics that change."""
