from django.db import migrations, models


class Migration(migrations.Migration):
    """The table of orders."""

    initial = True
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=32, unique=True)),
                ("phone", models.CharField(max_length=20)),
                ("told", models.CharField(default="no", max_length=16)),
            ],
        )
    ]
