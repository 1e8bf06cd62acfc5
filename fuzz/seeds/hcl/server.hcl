ui = true
storage "raft" { path = "/var/lib/x" node_id = "n1" }
listener "tcp" {
  address = "127.0.0.1:8200"
  tls_disable = 0640
  x = <<-EOT
    text
    EOT
}
list = [1, 0x1f, 1.5e3, "a\n\u00e9", { b = true },]
