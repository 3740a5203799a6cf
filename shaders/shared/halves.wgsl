// Some buffer of this kernel is stored as f16. A directive comes before all declarations.
enable f16;
