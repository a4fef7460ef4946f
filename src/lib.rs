//! ctwa: what each Click-to-WhatsApp ad was worth.
