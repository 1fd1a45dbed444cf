// A confined aquifer between a river in the north and closed rocks, with a lake in it: `make mesh`, or gmsh -2 aquifer.geo
// Lengths in metres.
size = 50;
Point(1) = {0, 0, 0, size};
Point(2) = {2000, 0, 0, size};
Point(3) = {2000, 1150, 0, size};
Point(4) = {1400, 1250, 0, size};
Point(5) = {700, 1100, 0, size};
Point(6) = {0, 1200, 0, size};
Line(1) = {1, 2};
Line(2) = {2, 3};
Spline(3) = {3, 4, 5, 6};
Line(4) = {6, 1};

Point(10) = {1350, 500, 0, size / 2};
Point(11) = {1500, 500, 0, size / 2};
Point(12) = {1350, 650, 0, size / 2};
Point(13) = {1200, 500, 0, size / 2};
Point(14) = {1350, 350, 0, size / 2};
Circle(11) = {11, 10, 12};
Circle(12) = {12, 10, 13};
Circle(13) = {13, 10, 14};
Circle(14) = {14, 10, 11};

Curve Loop(1) = {1, 2, 3, 4};
Curve Loop(2) = {11, 12, 13, 14};
Plane Surface(1) = {1, 2};

Physical Curve("river") = {3};
Physical Curve("lake") = {11, 12, 13, 14};
Physical Curve("west") = {4};
Physical Surface("aquifer") = {1};

// The same input gives the same file: one thread, one algorithm, one seed.
General.NumThreads = 1;
Mesh.Algorithm = 6;
Mesh.RandomSeed = 1;
Mesh.MshFileVersion = 4.1;
Mesh.Binary = 0;
