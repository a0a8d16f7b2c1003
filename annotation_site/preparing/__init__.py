"""What comes before a campaign: images brought in from browsers, folders and buckets; what it will cost."""
