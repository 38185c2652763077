from django.urls import path
from shop.views import announce, show

urlpatterns = [path("orders/<str:number>/ready", announce), path("orders/<str:number>", show)]
