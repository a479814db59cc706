for (const head of document.querySelectorAll('.results th')) {
  const sort = () => {
    const table = head.closest('table'), body = table.tBodies[0];
    const at = [...head.parentNode.children].indexOf(head);
    const down = head.ariaSort === 'ascending';
    const value = (row) => row.children[at].dataset.value ?? row.children[at].textContent;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (!x || !y) return !x - !y;
      const way = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -way : way;
    };
    for (const other of table.querySelectorAll('th')) other.ariaSort = 'none';
    head.ariaSort = down ? 'descending' : 'ascending';
    body.append(...[...body.rows].sort(order));
  };
  head.addEventListener('click', sort);
  head.addEventListener('keydown', (e) => { if (e.key === 'Enter') sort(); });
}
