from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from paceline import SendMessage
from paceline.django import send_on_commit
from shop.models import Order


@csrf_exempt
@transaction.atomic
def announce(request: HttpRequest, number: str) -> JsonResponse:
    """Write the order and tell the customer: both or none."""
    order, _ = Order.objects.get_or_create(number=number, defaults={"phone": request.POST["phone"]})
    send_on_commit(
        SendMessage(
            account="acme",
            sender="+15550100001",
            to=order.phone,
            text=f"Order {number} is ready",
            idempotency_key=f"ready-{number}",
            metadata={"order": number},
        )
    )
    if request.POST.get("fail"):
        raise RuntimeError("nothing is written, and nothing is sent")
    return JsonResponse({"order": number}, status=202)


def show(_: HttpRequest, number: str) -> JsonResponse:
    """What is known of it."""
    order = Order.objects.get(number=number)
    return JsonResponse({"order": number, "told": order.told})
