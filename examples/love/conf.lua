function love.conf(t)
  t.identity = "catch"
  t.window.title = "Catch"
  t.window.width, t.window.height = 480, 320
  t.modules.audio, t.modules.joystick, t.modules.physics = false, false, false
end
