import { Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { AppError, type CaId, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Wakeups } from '@app/queue'
import { CrlStore, RevocationStore, type CrlSummary } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews, pageQuery, pageView } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'

const caParameter = z.string().min(1).max(1536)

const crlsQuery = pageQuery.extend({ cursor: z.coerce.number().int().min(1).optional() })

const crlItem = z.object({
  number: z.number().int(),
  kind: z.enum(['base', 'delta']),
  keyIndex: z.number().int(),
  baseNumber: z.number().int().optional().describe('Of a delta: the base that it states the changes since.'),
  entries: z.number().int(),
  thisUpdate: z.string(),
  nextUpdate: z.string(),
  nextPublish: z.string()
})

const crlsView = pageView(crlItem)

/** The CRLs of a CA: what was published, and having new ones published. */
@ApiTags('certificates')
@Controller('api/v1/cas/:ca/crl')
export class CrlsController {
  constructor(
    private readonly crls: CrlStore,
    private readonly revocations: RevocationStore,
    private readonly named: NamedObjects,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  @Get()
  @RequirePermission('ca.read')
  @ApiOperation({ summary: 'The CRLs that were published, the newest first' })
  @ApiResponse({ status: 200, standardSchema: crlsView })
  async list(
    @Param('ca', { schema: caParameter }) ca: string,
    @Query({ schema: crlsQuery }) { limit, cursor }: z.infer<typeof crlsQuery>
  ): Promise<z.infer<typeof crlsView>> {
    return pageOfViews(await this.crls.list(await this.idOf(ca), limit, cursor), viewOf)
  }

  @Post()
  @HttpCode(202)
  @RequirePermission('ca.write')
  @ApiOperation({ summary: 'Have new CRLs published now (ICertAdmin::PublishCRL)' })
  async order(
    @Param('ca', { schema: caParameter }) ca: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    await this.revocations.orderCrl(await this.idOf(ca), { actor: operator.name }, this.clock.now())
    this.wakeups.nudge('crl')
  }

  private async idOf(ca: string): Promise<CaId> {
    const id = await this.named.caIdOf(ca)
    if (id === null) throw new AppError('internal', 'A route with a CA in its path was called without one.')
    return id
  }
}

function viewOf(row: CrlSummary): z.infer<typeof crlItem> {
  const { number, kind, keyIndex, baseNumber, entries } = row
  return {
    number,
    kind,
    keyIndex,
    ...(baseNumber === null ? {} : { baseNumber }),
    entries,
    thisUpdate: row.thisUpdate.toISOString(),
    nextUpdate: row.nextUpdate.toISOString(),
    nextPublish: row.nextPublish.toISOString()
  }
}
