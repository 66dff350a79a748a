"""What CCSD is measured against: networks of others behind the same calls as ours."""
