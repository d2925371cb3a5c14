// PRB, GOL, PTH and VAR: HL7 v2.9 chapter 12.4. The guide has no maps of them: https://hl7.org/fhir/R4/condition.html,
// https://hl7.org/fhir/R4/goal.html, https://hl7.org/fhir/R4/careplan.html
import { segmentTable } from '../table/table.ts';

export const prbCondition = segmentTable(
  'PRB',
  'Condition',
  `
1  | @action         | DE: entered in error; UN and UC: nothing changes
2  | -               | when the action was taken: the message has its own time
3  | code            | CWE
4  | identifier[]    | EI problem
5  | @encounter      | the episode's number: PV1-54 has it as well
6  | -               | the order of the sender's list
7  | recordedDate    | dateTime
8  | -               | when it is expected to be over: no fact yet
9  | abatementDateTime | dateTime
10 | category[]      | CWE
11 | -               | which disciplines look after it
12 | -               | acute, chronic: the code says it
13 | @verificationStatus | a code of the element's own; others are told by a warning
14 | @clinicalStatus | a code of the element's own; resolved where PRB-9 is there
15 | -               | since when: each version of the Condition is kept
16 | onsetDateTime   | dateTime
17 | onsetString     | ST | 16 empty
18 | -               | the order of importance
19 | -               | certainty in words of the sender: PRB-13 is the status
20 | -               | probability
21 | -               | what the patient knows of it
22 | -               | the prognosis: a ClinicalImpression
23 | -               | what the patient knows of the prognosis
24 | -               | what the family knows of it
25 | meta.security[] | CWE.Coding
26 | severity        | concept ProblemSeverity
27 | -               | whose view it is
28 | -               | whether it is a fact: what else is is no problem
`,
);

export const golGoal = segmentTable(
  'GOL',
  'Goal',
  `
1  | @action         | DE: entered in error; UN and UC: nothing changes
2  | -               | when the action was taken: the message has its own time
3  | description     | CWE
4  | identifier[]    | EI goal
5  | -               | the episode's number
6  | -               | the order of the sender's list
7  | startDate       | date
8  | target[0].dueDate | date
9  | category[]      | CWE
10 | -               | which discipline looks after it
11 | -               | how its review went: GOL-16 is the outcome
12 | -               | when it was reviewed
13 | -               | when it is to be reviewed
14 | -               | when it was reviewed before
15 | -               | how often it is to be reviewed
16 | achievementStatus | concept GoalEvaluation[Goal.achievementStatus]
17 | note[].text     | ST
18 | lifecycleStatus | code GoalLifeCycle[Goal.lifecycleStatus]
19 | statusDate      | date
20 | -               | whom it is for: the patient
21 | -               | whom it is for, by name
22 | -               | whether it is a goal already
`,
);

export const pthCarePlan = segmentTable(
  'PTH',
  'CarePlan',
  `
1  | @action       | DE: entered in error; UN and UC: nothing changes
2  | category[]    | CWE
2  | title         | CWE.text
3  | identifier[]  | EI pathway
4  | period.start  | dateTime
5  | status        | code PathwayLifeCycle[CarePlan.status]
6  | -             | since when: each version of the CarePlan is kept
7  | -             | whether it is planned or done: PTH-5 says it
`,
);

export const varAnnotation = segmentTable(
  'VAR',
  'Annotation',
  `
1 | -               | the variance's number
2 | time            | dateTime
3 | -               | when it was said to have happened
4 | authorString    | XCN.text
5 | -               | what kind of variance, in a table of the sender
6 | @text           | its lines
`,
);
