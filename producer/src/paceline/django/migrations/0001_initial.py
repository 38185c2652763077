from django.db import migrations, models


class Migration(migrations.Migration):
    """The table of places."""

    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.CreateModel(
            name="Place",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=128, unique=True)),
                ("entry_id", models.CharField(max_length=40)),
            ],
        )
    ]
