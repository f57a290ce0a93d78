/*
 * sandbox/priv.h - private to sandbox.
 */
#pragma once

#include "ground/sandbox/sandbox.h"

int sandbox_filter(char error[SANDBOX_TEXT]);
