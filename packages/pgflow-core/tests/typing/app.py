"""Handlers and types that the files beside this one wire, rightly and wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Source:
    url: str
    pages: int = 2


@dataclass(frozen=True)
class Page:
    text: str


@dataclass(frozen=True)
class Summary:
    text: str


@dataclass(frozen=True)
class Receipt:
    title: str
    keywords: list[str]


def scrape(source: Source) -> list[Page]:
    return [Page(f"{source.url}#{n}") for n in range(source.pages)]


async def summarize(pages: Sequence[Page]) -> Summary:
    return Summary(f"{len(pages)} pages")


def extract_keywords(page: Page) -> str:
    return page.text.rpartition("#")[2]


async def translate(page: Page, language: str) -> Page:
    return Page(f"{language}: {page.text}")


def publish(summary: Summary, keywords: Sequence[str], draft: bool = False) -> Receipt:
    return Receipt(summary.text, list(keywords))


def archive(receipt: Receipt, summary: Summary | None) -> None: ...


def is_long(pages: Sequence[Page]) -> bool:
    return len(pages) > 10


def count(keywords: Sequence[str | None]) -> int:
    return len(keywords)


def tick() -> int:
    return 1


async def tick_async() -> int:
    return 1


def eight(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: str) -> str:
    return f"{a + b + c + d + e + f + g}{h}"


async def eight_async(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: str) -> str:
    return f"{a + b + c + d + e + f + g}{h}"


class Lambda(BaseModel):
    """A pydantic model as a target."""

    memory_mb: int = 128

    @property
    def executor_name(self) -> str:
        return "lambda"

    def executor_options(self) -> Mapping[str, Any]:
        return self.model_dump()


class NoTarget:
    executor_name = 3
