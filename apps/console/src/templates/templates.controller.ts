import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  diffQuery,
  diffView,
  lintView,
  nameParameter,
  templateBody,
  templateIdParameter,
  templatesQuery,
  templatesView,
  templateView,
  type DiffQuery,
  type DiffView,
  type LintView,
  type TemplateBody,
  type TemplatesQuery,
  type TemplatesView,
  type TemplateView
} from './templates.schemas.js'
import { TemplatesService } from './templates.service.js'

/** Versions of certificate templates, and which CA offers which template. */
@ApiTags('templates')
@Controller('api/v1/templates')
export class TemplatesController {
  constructor(private readonly templates: TemplatesService) {}

  @Get()
  @RequirePermission('template.read')
  @ApiOperation({ summary: 'Versions of templates' })
  @ApiResponse({ status: 200, standardSchema: templatesView })
  list(
    @Query({ schema: templatesQuery }) query: TemplatesQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TemplatesView> {
    return this.templates.list(query, operator)
  }

  @Post()
  @RequirePermission('template.write', { at: 'all' })
  @ApiOperation({ summary: 'Add a version of a template as a draft' })
  @ApiResponse({ status: 201, standardSchema: templateView })
  add(
    @Body({ schema: templateBody }) body: TemplateBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TemplateView> {
    return this.templates.add(body, operator)
  }

  @Post('lint')
  @HttpCode(200)
  @RequirePermission('template.read')
  @ApiOperation({ summary: 'What is unsafe in a template, without keeping it' })
  @ApiResponse({ status: 200, standardSchema: lintView })
  lint(@Body({ schema: templateBody }) body: TemplateBody): LintView {
    return this.templates.lint(body)
  }

  @Get(':id')
  @RequirePermission('template.read')
  @ApiOperation({ summary: 'One version of a template, explained and linted' })
  @ApiResponse({ status: 200, standardSchema: templateView })
  show(
    @Param('id', { schema: templateIdParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TemplateView> {
    return this.templates.show(id, operator)
  }

  @Get(':id/diff')
  @RequirePermission('template.read')
  @ApiOperation({ summary: 'What a version says otherwise than an earlier one' })
  @ApiResponse({ status: 200, standardSchema: diffView })
  diff(
    @Param('id', { schema: templateIdParameter }) id: number,
    @Query({ schema: diffQuery }) query: DiffQuery
  ): Promise<DiffView> {
    return this.templates.diff(query.with, id)
  }

  @Post(':id/activate')
  @HttpCode(200)
  @RequirePermission('template.activate', { at: 'all' })
  @ApiOperation({ summary: 'Make a version active that somebody else wrote' })
  @ApiResponse({ status: 200, standardSchema: templateView })
  activate(
    @Param('id', { schema: templateIdParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TemplateView> {
    return this.templates.activate(id, operator)
  }

  @Post(':id/retire')
  @HttpCode(200)
  @RequirePermission('template.activate', { at: 'all' })
  @ApiOperation({ summary: 'Use a version no longer' })
  @ApiResponse({ status: 200, standardSchema: templateView })
  retire(
    @Param('id', { schema: templateIdParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TemplateView> {
    return this.templates.retire(id, operator)
  }

  @Put(':name/cas/:ca')
  @HttpCode(204)
  @RequirePermission('template.activate')
  @ApiOperation({ summary: 'Offer a template at a CA' })
  offer(
    @Param('name', { schema: nameParameter }) name: string,
    @Param('ca', { schema: nameParameter }) ca: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.templates.offer(name, ca, operator)
  }

  @Delete(':name/cas/:ca')
  @HttpCode(204)
  @RequirePermission('template.activate')
  @ApiOperation({ summary: 'Offer a template at a CA no longer' })
  withdraw(
    @Param('name', { schema: nameParameter }) name: string,
    @Param('ca', { schema: nameParameter }) ca: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.templates.withdraw(name, ca, operator)
  }
}
