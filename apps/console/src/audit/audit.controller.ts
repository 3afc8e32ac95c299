import { Controller, Get, Query, StreamableFile } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequirePermission } from '../access/require-permission.js'
import {
  afterQuery,
  auditQuery,
  checkpointsView,
  entriesView,
  exportQuery,
  gapQuery,
  gapView,
  linksView,
  statusView,
  type AfterQuery,
  type AuditQuery,
  type CheckpointsView,
  type EntriesView,
  type ExportQuery,
  type GapQuery,
  type GapView,
  type LinksView,
  type StatusView
} from './audit.schemas.js'
import { AuditService } from './audit.service.js'
import { AnswersBytes } from '@app/platform'

const TYPES = { jsonl: 'application/jsonl', csv: 'text/csv; charset=utf-8' } as const

/** The audit log. It is one for all CAs, and so is the right to read it. */
@ApiTags('audit')
@Controller('api/v1/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'Entries of the audit log, newest first' })
  @ApiResponse({ status: 200, standardSchema: entriesView })
  list(@Query({ schema: auditQuery }) query: AuditQuery): Promise<EntriesView> {
    return this.audit.list(query)
  }

  @Get('export')
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'All entries, oldest first, each a line with its link' })
  @AnswersBytes('application/jsonl', 'text/csv')
  export(@Query({ schema: exportQuery }) query: ExportQuery): StreamableFile {
    return new StreamableFile(this.audit.export(query), { type: TYPES[query.format] })
  }

  @Get('status')
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'How far the chain has come, and its keys' })
  @ApiResponse({ status: 200, standardSchema: statusView })
  status(): Promise<StatusView> {
    return this.audit.status()
  }

  @Get('checkpoints')
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'Signed checkpoints after a position' })
  @ApiResponse({ status: 200, standardSchema: checkpointsView })
  checkpoints(@Query({ schema: afterQuery }) query: AfterQuery): Promise<CheckpointsView> {
    return this.audit.checkpoints(query)
  }

  @Get('links')
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'Links of the chain after a position, with what was hashed' })
  @ApiResponse({ status: 200, standardSchema: linksView })
  links(@Query({ schema: afterQuery }) query: AfterQuery): Promise<LinksView> {
    return this.audit.links(query)
  }

  @Get('gap')
  @RequirePermission('audit.read', { at: 'all' })
  @ApiOperation({ summary: 'The first entry, up to a number, that has no link' })
  @ApiResponse({ status: 200, standardSchema: gapView })
  gap(@Query({ schema: gapQuery }) query: GapQuery): Promise<GapView> {
    return this.audit.gap(query)
  }
}
