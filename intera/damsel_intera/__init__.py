"""The robot's side of the bridge: a server next to a Sawyer's ROS 1, and how to speak to it.

`wire` is what crosses the network, `transport` the sockets that it crosses, `client` the other
end for the ROS 2 side. The server runs next to ROS Noetic, so everything here works on Python 3.8
and needs nothing but the standard library and pyzmq; only `virtual`, the simulated robot, needs
more.
"""
