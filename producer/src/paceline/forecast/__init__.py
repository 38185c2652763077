"""The forecast: when will a campaign end?"""
