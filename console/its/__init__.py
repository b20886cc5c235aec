"""The link to ITS ONLINE TIMING: what the GSM Interface program and GSM dockings do at a race (thcom.md, section 3)."""
