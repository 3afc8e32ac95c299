import { Controller, Get, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { toHex } from '@app/core'
import { PublicationStore, type PublicationTarget } from '@app/storage'
import { pageOfViews, pageView, uuidPageQuery } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'

const publicationView = z.object({
  id: z.uuid(),
  account: z.string(),
  serialNumber: z.string(),
  publishedAt: z.string(),
  attempts: z.number().int(),
  error: z.string()
})
const publicationsView = pageView(publicationView)

/** Certificates that another directory has not taken so far. */
@ApiTags('directory')
@Controller('api/v1/directory/publications')
export class PublicationsController {
  constructor(private readonly publications: PublicationStore) {}

  @Get()
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'Certificates that the LDAP server has not taken so far, and why' })
  @ApiResponse({ status: 200, standardSchema: publicationsView })
  async list(
    @Query({ schema: uuidPageQuery }) { limit, cursor }: z.infer<typeof uuidPageQuery>
  ): Promise<z.infer<typeof publicationsView>> {
    return pageOfViews(await this.publications.listFailing(limit, cursor), viewOf)
  }
}

function viewOf(row: PublicationTarget): z.infer<typeof publicationView> {
  return {
    id: row.id,
    account: row.accountName,
    serialNumber: toHex(row.serialNumber),
    publishedAt: row.publishedAt.toISOString(),
    attempts: row.attempts,
    error: row.error ?? ''
  }
}
