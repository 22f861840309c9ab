// What is written in one place of the project and needed here: leads, units, limits, the model and
// its recipe. The export puts it into the page as JSON.

export const FACTS = JSON.parse(document.getElementById("facts").textContent);
