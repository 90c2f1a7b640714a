/** Light, dark, or as the system has it; remembered where the browser lets us. */

const KEY = 'gunicorn-otel.theme';
const THEMES = ['auto', 'light', 'dark'] as const;

/** Applies what was chosen before, and changes it with each press of the button. */
export function startTheme(button: HTMLButtonElement): void {
  let theme = remembered();
  const apply = () => {
    document.documentElement.dataset['theme'] = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    apply();
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is forbidden or full: the choice is for this visit.
    }
  });
  apply();
}

function remembered(): (typeof THEMES)[number] {
  try {
    const stored = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === stored) ?? 'auto';
  } catch {
    return 'auto';
  }
}
