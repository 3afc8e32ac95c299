import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { z } from 'zod'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidPageQuery, uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  ldapView,
  refusedView,
  runBody,
  runView,
  type LdapView,
  type RefusedView,
  type RunBody,
  type RunView
} from './ldap.schemas.js'
import { LdapService } from './ldap.service.js'

/** The LDAP server that accounts and groups are read from. */
@ApiTags('directory')
@Controller('api/v1/directory/ldap')
export class LdapController {
  constructor(private readonly ldap: LdapService) {}

  @Get()
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'How accounts are read from the LDAP server, and how that went' })
  @ApiResponse({ status: 200, standardSchema: ldapView })
  show(): Promise<LdapView> {
    return this.ldap.show()
  }

  @Post('runs')
  @HttpCode(202)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Have the LDAP server read now' })
  @ApiResponse({ status: 202, standardSchema: runView })
  request(
    @Body({ schema: runBody }) body: RunBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RunView> {
    return this.ldap.request(body, operator)
  }

  @Get('runs/:id')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'One reading of the LDAP server' })
  @ApiResponse({ status: 200, standardSchema: runView })
  find(@Param('id', { schema: uuidParameter }) id: string): Promise<RunView> {
    return this.ldap.find(id)
  }

  @Get('refused')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'Entries of the LDAP server that could not be taken, and why' })
  @ApiResponse({ status: 200, standardSchema: refusedView })
  refused(@Query({ schema: uuidPageQuery }) { limit, cursor }: z.infer<typeof uuidPageQuery>): Promise<RefusedView> {
    return this.ldap.refused(limit, cursor)
  }
}
