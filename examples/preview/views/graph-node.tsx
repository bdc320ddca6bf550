// One box of the graph. NPU: round corners, solid. CPU: cut corners, dashed and hatched. Inputs and outputs: pills.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { memo } from "preact/compat";
import type { Selection } from "../panel-types.ts";
import { endOf, percentText, sizesText } from "../shell/format.ts";
import type { NodeView } from "./graph-data.ts";
import { nodeLabel, shapeText, titleText } from "./graph-text.ts";

interface Props {
  node: NodeView;
  /** Largest share of time of any node: what a full bar stands for. */
  most: number;
  selected: boolean;
  /** True for the one node that Tab reaches. */
  reachable: boolean;
  setFocused(id: string): void;
  select(selection: Selection): void;
}

const CUT = 9;

export const GraphNode = memo(function GraphNode(props: Props): JSX.Element {
  const { node, most, selected, reachable, setFocused, select } = props;
  const { id, kind, op, x, y } = node;
  const isPort = op === null;
  return (
    <g
      id={`node-${id}`}
      class={`node ${kind}${selected ? " selected" : ""}`}
      transform={`translate(${x} ${y})`}
      role={isPort ? "img" : "button"}
      aria-label={nodeLabel(node)}
      aria-pressed={isPort ? undefined : selected}
      tabIndex={reachable ? 0 : -1}
      onFocus={() => setFocused(id)}
      onClick={() => op !== null && select({ op })}
    >
      {isPort ? <Port node={node} /> : <Operator node={node} most={most} />}
    </g>
  );
});

function Port({ node: { kind, title, shape, width, height } }: { node: NodeView }): JSX.Element {
  return (
    <>
      <rect class="box" width={width} height={height} rx={height / 2} />
      <text x={16} y={height / 2 + 4} class="node-name">
        {kind}
      </text>
      <text x={width - 16} y={height / 2 + 4} class="node-note" text-anchor="end">
        {endOf(shape.length > 0 ? sizesText(shape) : title, 18)}
      </text>
    </>
  );
}

/** Spaces at the ends of texts are not drawn, but what reads the texts one behind the other needs them. */
function Operator({ node, most }: { node: NodeView; most: number }): JSX.Element {
  const { kind, op, title, shape, share, width, height } = node;
  const full = width - 24;
  return (
    <>
      {kind === "npu" ? (
        <rect class="box" width={width} height={height} rx={9} />
      ) : (
        <>
          <path class="box" d={octagon(width, height)} />
          <path class="pattern" d={octagon(width, height)} />
        </>
      )}
      <text x={12} y={21} class="node-name">
        {`${titleText(title, op!)} `}
      </text>
      <text x={width - 12} y={21} class="node-note" text-anchor="end">
        {`#${op} `}
      </text>
      <text x={12} y={38} class="node-place">
        {`${kind.toUpperCase()} `}
      </text>
      <text x={42} y={38} class="node-note">
        {`${shapeText(shape, share)} `}
      </text>
      {share !== null && share > 0 && (
        <>
          <text x={width - 12} y={38} class="node-note" text-anchor="end">
            {percentText(share)}
          </text>
          <rect class="time-track" x={12} y={46} width={full} height={4} rx={2} />
          <rect
            class="time"
            x={12}
            y={46}
            width={Math.max(2, (full * share) / most)}
            height={4}
            rx={2}
          />
        </>
      )}
    </>
  );
}

const octagon = (width: number, height: number): string =>
  `M${CUT} 0H${width - CUT}L${width} ${CUT}V${height - CUT}L${width - CUT} ${height}H${CUT}L0 ${height - CUT}V${CUT}Z`;
