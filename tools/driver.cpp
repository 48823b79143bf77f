#include "tools/driver.h"
