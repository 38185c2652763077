from django.db import migrations, models


class Migration(migrations.Migration):
    """Ids of entries that name the places of many shards."""

    dependencies: list[tuple[str, str]] = [("paceline", "0001_initial")]
    operations = [migrations.AlterField("place", "entry_id", models.TextField())]
