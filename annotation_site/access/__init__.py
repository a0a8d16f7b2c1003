"""Who runs a project and may see or change what, and the audit log of what they changed."""
