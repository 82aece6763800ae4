"""What is published: pages and posts, the files in them, and the sites they stand on."""

from runtime.declaration import declare

CONTENT = declare(
    "Content",
    {
        "title": "string!",
        "slug": "string##",
        "excerpt": "text",
        "body": "markdown",
        "categories": "string",
        "tags": "string[]",
        "seoTitle": "string",
        "seoDescription": "string",
        "ogImage": "string",
        "canonicalUrl": "url",
        "publishedAt": "datetime",
        "scheduledAt": "datetime",
        "noIndex": "boolean",
        "readingTime": "number",
        "viewCount": "number",
        "type": "Page | Post | Article | Guide",
        "status": "Draft | Published | Scheduled | Archived = Draft",
        "visibility": "Public | Private | Members",
        "organization": "-> Organization",
        "site": "-> Site.content",
        "author": "-> Contact",
        "featuredImage": "-> Asset",
        "publish": "Published",
        "archive": "Archived",
        "schedule": "Scheduled",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft | Scheduled | Archived -publish-> Published -archive-> Archived",
            "Draft -schedule-> Scheduled",
        ]
    },
    effects={"publish": {"publishedAt": "now()"}},
)

ASSET = declare(
    "Asset",
    {
        "name": "string!",
        "filename": "string!",
        "url": "url!",
        "mimeType": "string!",
        "extension": "string",
        "alt": "string",
        "caption": "text",
        "thumbnail": "string",
        "tags": "string[]",
        "source": "string",
        "license": "string",
        "size": "number!",
        "width": "number",
        "height": "number",
        "duration": "number",
        "type": "Image | Video | Document | Audio | Archive | Other",
        "uploadedBy": "-> Contact",
        "process": "Processed",
    },
)

SITE = declare(
    "Site",
    {
        "name": "string!",
        "subdomain": "string##",
        "title": "string",
        "description": "text",
        "tagline": "string",
        "logo": "url",
        "favicon": "string",
        "primaryColor": "string",
        "accentColor": "string",
        "ogImage": "string",
        "defaultLanguage": "string",
        "supportedLanguages": "string",
        "timezone": "string",
        "status": "Draft | Published | Maintenance = Draft",
        "visibility": "Public | Private | Password",
        "content": "<- Content.site[]",
    },
    transitions={
        "status": ["create -> Draft", "Draft <-> Published", "Draft -> Maintenance", "Published <-> Maintenance"]
    },
)

NOUNS = (CONTENT, ASSET, SITE)
