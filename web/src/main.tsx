import { render } from 'preact';

function App() {
  return <main>ros_cloud_bridge</main>;
}

render(<App />, document.getElementById('app')!);
