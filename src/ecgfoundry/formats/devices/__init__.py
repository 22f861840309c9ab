"""Files of wearables and single devices."""
