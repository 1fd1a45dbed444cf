// L-shape: the unit square without its upper right quarter. Regenerate the mesh with `make mesh`.
// Mildly refined at the re-entrant corner, where the gradient of the state is unbounded.

SetFactory("Built-in");

h = 0.021;          // size of the triangles away from the corner
h_corner = 0.010;   // and at it

Point(1) = {0.0, 0.0, 0, h};
Point(2) = {1.0, 0.0, 0, h};
Point(3) = {1.0, 0.5, 0, h};
Point(4) = {0.5, 0.5, 0, h_corner};
Point(5) = {0.5, 1.0, 0, h};
Point(6) = {0.0, 1.0, 0, h};

Line(1) = {1, 2};
Line(2) = {2, 3};
Line(3) = {3, 4};
Line(4) = {4, 5};
Line(5) = {5, 6};
Line(6) = {6, 1};

Curve Loop(1) = {1, 2, 3, 4, 5, 6};
Plane Surface(1) = {1};

// Every boundary curve has a name: a case addresses its boundary conditions by them.
Physical Curve("bottom", 1) = {1};
Physical Curve("right", 2) = {2};
Physical Curve("corner", 3) = {3, 4};
Physical Curve("top", 4) = {5};
Physical Curve("left", 5) = {6};
Physical Surface("domain", 6) = {1};

// The same input gives the same file: one thread, one algorithm, one seed.
General.NumThreads = 1;
Mesh.Algorithm = 6;
Mesh.RandomSeed = 1;
Mesh.MshFileVersion = 4.1;
Mesh.Binary = 0;
