// The unit square with a frame of width 1/8 around its core. Regenerate the mesh with `make mesh`.
// Each side is cut into eight pieces with names, so that fluxes can be read through each of them.

SetFactory("Built-in");

h = 0.025;          // size of the triangles
n = 8;              // pieces a side

// Corners counter-clockwise, and between them the ends of the pieces.
For i In {0 : n - 1}
  Point(1 + i) = {i / n, 0, 0, h};
  Point(1 + n + i) = {1, i / n, 0, h};
  Point(1 + 2 * n + i) = {1 - i / n, 1, 0, h};
  Point(1 + 3 * n + i) = {0, 1 - i / n, 0, h};
EndFor
For i In {1 : 4 * n}
  Line(i) = {i, (i % (4 * n)) + 1};
EndFor
Curve Loop(1) = {1 : 4 * n};

c = 4 * n;
Point(c + 1) = {0.125, 0.125, 0, h};
Point(c + 2) = {0.875, 0.125, 0, h};
Point(c + 3) = {0.875, 0.875, 0, h};
Point(c + 4) = {0.125, 0.875, 0, h};
Line(c + 1) = {c + 1, c + 2};
Line(c + 2) = {c + 2, c + 3};
Line(c + 3) = {c + 3, c + 4};
Line(c + 4) = {c + 4, c + 1};
Curve Loop(2) = {c + 1 : c + 4};

Plane Surface(1) = {2};
Plane Surface(2) = {1, 2};

// Pieces are counted from 1 in the direction of x or y.
For i In {1 : n}
  Physical Curve(Sprintf("bottom_%g", i), i) = {i};
  Physical Curve(Sprintf("right_%g", i), n + i) = {n + i};
  Physical Curve(Sprintf("top_%g", i), 2 * n + i) = {3 * n + 1 - i};
  Physical Curve(Sprintf("left_%g", i), 3 * n + i) = {4 * n + 1 - i};
EndFor
Physical Surface("core", 4 * n + 1) = {1};
Physical Surface("frame", 4 * n + 2) = {2};

// The same input gives the same file: one thread, one algorithm, one seed.
General.NumThreads = 1;
Mesh.Algorithm = 6;
Mesh.RandomSeed = 1;
Mesh.MshFileVersion = 4.1;
Mesh.Binary = 0;
