import * as echarts from 'echarts';
import type { Figure } from './figures.js';

const WIDTH = 860;
const HEIGHT = 460;
/** Told apart by people who see few colours too, and seen on white and on black. */
const COLOURS: Readonly<Record<string, string>> = {
  rsm: '#e4572e',
  segments: '#e4572e',
  tcp: '#2e86de',
  redis: '#d6478b',
  nats: '#1fa187',
  rabbitmq: '#d99a00',
  grpc: '#8e6fd8',
};
const OTHERS = ['#7f8c8d', '#a0522d', '#5c6bc0'];
const NAMES: Readonly<Record<string, string>> = {
  rsm: 'nestjs-rsm',
  tcp: 'TCP',
  redis: 'Redis',
  nats: 'NATS',
  rabbitmq: 'RabbitMQ',
  grpc: 'gRPC',
};
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect'];

/** Stand-ins which the style sheet turns into the colours of the reader's mode. */
const TEXT = '#010203';
const GRID = '#040506';
const BACKGROUND = '#070809';
const STYLE = `<style>
  [fill="${TEXT}"] { fill: #24292f } [stroke="${TEXT}"] { stroke: #24292f }
  [stroke="${GRID}"] { stroke: #d8dee4 } [fill="${BACKGROUND}"] { fill: #ffffff } [stroke="${BACKGROUND}"] { stroke: #ffffff }
  @media (prefers-color-scheme: dark) {
    [fill="${TEXT}"] { fill: #e6edf3 } [stroke="${TEXT}"] { stroke: #e6edf3 }
    [stroke="${GRID}"] { stroke: #30363d } [fill="${BACKGROUND}"] { fill: #0d1117 } [stroke="${BACKGROUND}"] { stroke: #0d1117 }
  }
</style>`;

/** Draws the figure as SVG that follows the reader's light or dark mode. */
export function draw(figure: Figure): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption(optionOf(figure));
    return inBothModes(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

function optionOf({ title, xTitle, yTitle, xLabel, yLabel, yScale, series }: Figure): echarts.EChartsCoreOption {
  const text = { color: TEXT, fontFamily: 'sans-serif' };
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const axis = {
    nameLocation: 'middle',
    nameTextStyle: { ...text, fontSize: 13 },
    axisLine: { show: true, lineStyle: { color: TEXT } },
    splitLine: { show: true, lineStyle: { color: GRID } },
  };
  return {
    animation: false,
    backgroundColor: BACKGROUND,
    title: { text: title, left: 16, top: 12, textStyle: { ...text, fontSize: 17, fontWeight: 'bold' } },
    grid: { left: 84, right: series.length > 1 ? 120 : 36, top: 60, bottom: 64 },
    xAxis: {
      ...axis,
      // Each payload stands at the same distance from the next: they grow by the same factor.
      type: 'category',
      boundaryGap: false,
      data: xs.map(xLabel),
      name: xTitle,
      nameGap: 36,
      axisLabel: { ...text, fontSize: 12 },
    },
    yAxis: {
      ...axis,
      ...(yScale === 'log'
        ? { type: 'log', min: 10 ** Math.floor(Math.log10(Math.min(...ys))), max: 10 ** Math.ceil(Math.log10(Math.max(...ys))) }
        : { type: 'value', min: 0 }),
      name: yTitle,
      nameGap: 58,
      axisLabel: { ...text, fontSize: 12, formatter: yLabel },
    },
    series: series.map(({ name, points }, i) => {
      const colour = COLOURS[name] ?? OTHERS[i % OTHERS.length]!;
      const known = new Map(points);
      return {
        type: 'line',
        data: xs.map((x) => known.get(x) ?? null),
        connectNulls: true,
        symbol: SYMBOLS[i % SYMBOLS.length],
        symbolSize: 8,
        lineStyle: { color: colour, width: i === 0 ? 3.5 : 2 },
        itemStyle: { color: colour },
        emphasis: { disabled: true },
        ...(series.length > 1 && {
          endLabel: {
            show: true,
            formatter: NAMES[name] ?? name,
            color: colour,
            fontSize: 13,
            fontWeight: 'bold',
            fontFamily: 'sans-serif',
          },
          labelLayout: { moveOverlap: 'shiftY' },
        }),
      };
    }),
  };
}

function inBothModes(svg: string): string {
  const start = svg.indexOf('>') + 1;
  return `${svg.slice(0, start)}\n${STYLE}${svg.slice(start)}\n`;
}
