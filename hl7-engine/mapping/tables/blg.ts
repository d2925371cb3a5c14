// BLG, who is to be billed for an order: HL7 v2.9 chapter 4.5.2. The guide has no map of it.
import { segmentTable } from '../table/table.ts';

segmentTable(
  'BLG',
  'ChargeItem',
  `
1 | -        | when the charge is due: the biller's rule
2 | -        | how it is charged: the account's
3 | @account | Account of that number: of the order's charges, and of the order's supporting information
4 | -        | why it is charged so: the biller's
`,
);
