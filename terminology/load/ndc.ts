// The FDA's National Drug Code directory: https://www.fda.gov/drugs/drug-approvals-and-databases/ndc-product-file-definitions
// Codes as https://hl7.org/fhir/R4/ndc.html tells: ten digits with hyphens; and the eleven digits without that claims carry.
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem, type PropertyDefinition } from './format.ts';
import { filesLike, findFile, needFile, type Release } from './release.ts';
import { readTable } from './table.ts';

const URL = 'http://hl7.org/fhir/sid/ndc';
const PRODUCT = /^product\.txt$/i;
const PACKAGE = /^package\.txt$/i;

const text = <Code extends string>(code: Code, description: string) => ({ code, type: 'string', description });

/** Columns of product.txt that become properties, by their names there. */
const productProperties = [
  text('PRODUCTTYPENAME', 'What kind of product'),
  text('PROPRIETARYNAME', 'Trade name'),
  text('NONPROPRIETARYNAME', 'Generic name, or active ingredients'),
  text('DOSAGEFORMNAME', 'Dosage form'),
  text('ROUTENAME', 'Route of administration'),
  text('MARKETINGCATEGORYNAME', 'How it came to the market'),
  text('APPLICATIONNUMBER', 'Number of NDA, ANDA, BLA or monograph'),
  text('LABELERNAME', 'Who labels it'),
  text('SUBSTANCENAME', 'Active ingredients'),
  text('DEASCHEDULE', 'Schedule of the DEA'),
] as const;
type ProductColumn = (typeof productProperties)[number]['code'];

const ownProperties: readonly PropertyDefinition[] = [
  { code: 'kind', type: 'code', description: 'product, package, or package-11: a package by its eleven digits' },
  { code: 'product', type: 'code', description: 'Of a package: its product' },
  { code: 'ndc11', type: 'code', description: 'Of a package: the eleven digits without hyphens' },
  { code: 'ndc10', type: 'code', description: 'Of eleven digits: the code with hyphens' },
  { code: 'started', type: 'dateTime', description: 'Start of marketing' },
  { code: 'ended', type: 'dateTime', description: 'End of marketing' },
];

/** `20240131` → `2024-01-31` */
const dateOf = (digits: string): string | undefined =>
  /^\d{8}$/.test(digits) ? `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}` : undefined;

const widths = [5, 4, 2];

/**
 * `1234-5678-90` → `01234567890`: 4-4-2, 5-3-2 and 5-4-1 digits become 5-4-2 with a zero in front of the short part.
 * Undefined for what is neither.
 */
export function elevenDigits(code: string): string | undefined {
  if (!/^(\d{4}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{5}-\d{4}-\d{1,2})$/.test(code)) return undefined;
  return code
    .split('-')
    .map((part, i) => part.padStart(widths[i]!, '0'))
    .join('');
}

const dateColumns = ['STARTMARKETINGDATE', 'ENDMARKETINGDATE'] as const;
type Dates = { [name in (typeof dateColumns)[number]]: string };

function writeDates(writer: SystemWriter, n: number, { STARTMARKETINGDATE, ENDMARKETINGDATE }: Dates): void {
  const [started, ended] = [dateOf(STARTMARKETINGDATE), dateOf(ENDMARKETINGDATE)];
  if (started) writer.property(n, { code: 'started', type: 'dateTime', value: started });
  if (ended) writer.property(n, { code: 'ended', type: 'dateTime', value: ended });
}

type Product = { [name in ProductColumn | keyof Dates | 'PRODUCTNDC']: string };

function writeProduct(writer: SystemWriter, values: Product): number | undefined {
  const { PRODUCTNDC, PROPRIETARYNAME, NONPROPRIETARYNAME, DOSAGEFORMNAME } = values;
  const generic = NONPROPRIETARYNAME === '' || NONPROPRIETARYNAME === PROPRIETARYNAME ? '' : ` (${NONPROPRIETARYNAME})`;
  const display = `${PROPRIETARYNAME}${generic} ${DOSAGEFORMNAME}`.trim();
  const n = writer.add({ code: PRODUCTNDC, display });
  if (n === undefined) return undefined;
  writer.property(n, { code: 'kind', type: 'code', value: 'product' });
  for (const { code } of productProperties) {
    if (values[code] !== '') writer.property(n, { code, type: 'string', value: values[code] });
  }
  writeDates(writer, n, values);
  return n;
}

async function readProducts(release: Release, writer: SystemWriter, { faults }: LoadContext): Promise<void> {
  const file = needFile(release, PRODUCT, 'product.txt');
  const optional = [...dateColumns, ...productProperties.map(({ code }) => code)];
  for await (const records of readTable<keyof Product>(file, '\t', ['PRODUCTNDC'], optional, faults)) {
    for (const { line, values } of records) {
      const code = values.PRODUCTNDC;
      if (!/^\d{4,5}-\d{3,4}$/.test(code)) faults.tell(file.name, line, `${quoted(code)} is no product's NDC`);
      // A product has a row for each application it is marketed under: one concept.
      else writeProduct(writer, values);
    }
    await writer.drain();
  }
}

const packageColumns = ['PRODUCTNDC', 'NDCPACKAGECODE', 'PACKAGEDESCRIPTION'] as const;
type Package = Dates & { [name in (typeof packageColumns)[number]]: string };

/** False: it is there already. */
function writePackage(writer: SystemWriter, eleven: string, values: Package): boolean {
  const { PRODUCTNDC, NDCPACKAGECODE, PACKAGEDESCRIPTION } = values;
  const n = writer.add({ code: NDCPACKAGECODE, display: PACKAGEDESCRIPTION });
  if (n === undefined) return false;
  writer.property(n, { code: 'kind', type: 'code', value: 'package' });
  writer.property(n, { code: 'product', type: 'code', value: PRODUCTNDC });
  writer.property(n, { code: 'ndc11', type: 'code', value: eleven });
  writeDates(writer, n, values);
  const other = writer.add({ code: eleven, display: PACKAGEDESCRIPTION });
  if (other === undefined) return true;
  writer.property(other, { code: 'kind', type: 'code', value: 'package-11' });
  writer.property(other, { code: 'ndc10', type: 'code', value: NDCPACKAGECODE });
  writer.property(other, { code: 'product', type: 'code', value: PRODUCTNDC });
  return true;
}

async function readPackages(release: Release, writer: SystemWriter, { faults }: LoadContext): Promise<void> {
  const file = needFile(release, PACKAGE, 'package.txt');
  for await (const records of readTable<keyof Package>(file, '\t', packageColumns, dateColumns, faults)) {
    for (const { line, values } of records) {
      const eleven = elevenDigits(values.NDCPACKAGECODE);
      if (!eleven) faults.tell(file.name, line, `${quoted(values.NDCPACKAGECODE)} is no package's NDC`);
      else if (!writePackage(writer, eleven, values)) {
        faults.tell(file.name, line, `the code ${values.NDCPACKAGECODE} is there already`);
      }
    }
    await writer.drain();
  }
}

async function read(release: Release, context: LoadContext): Promise<void> {
  needFile(release, PACKAGE, 'package.txt');
  const version = context.version ?? /(?<!\d)(20\d{6})(?!\d)/.exec(release.name)?.[1] ?? '';
  const properties = [...ownProperties, ...productProperties];
  const about = {
    url: URL,
    version,
    name: 'NDC',
    title: 'National Drug Code directory',
    caseSensitive: true,
    properties,
  };
  await context.system(newSystem(about), async (writer) => {
    await readProducts(release, writer, context);
    await readPackages(release, writer, context);
  });
}

export const ndc: Format = {
  name: 'ndc',
  title: 'NDC: product.txt and package.txt, of the FDA',
  fits: (release) => findFile(release, PRODUCT) !== undefined && findFile(release, PACKAGE) !== undefined,
  reads: (release) => [...filesLike(release, PRODUCT), ...filesLike(release, PACKAGE)],
  read,
};
