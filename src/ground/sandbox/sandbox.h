/*
 * sandbox/sandbox.h - what the process may do to the machine it runs on. Called before any thread is started:
 * what is given up holds for the calling thread and those that it makes.
 */
#pragma once

/* Descriptors: as many as the system lets this process have. */
void sandbox_raise_files(void);
