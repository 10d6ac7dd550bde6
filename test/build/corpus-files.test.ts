/** The corpus's cases that make files. */
import { declareCases } from './corpus/declare.js';
import { files } from './corpus/files.js';

declareCases(files);
