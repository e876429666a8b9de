// Before the first paint, so that nothing flashes: the theme that the visitor chose last time.
// The page changes it later by the same attribute.
try {
  const theme = localStorage.getItem("quorarium-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme.
}
