"""What runs behind the consoles: devices, journal and exports wired together, and what operators ask of them."""
