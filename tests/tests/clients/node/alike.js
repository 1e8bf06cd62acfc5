// What an application and its operator do all day, with node-vault; the argument is the address.
// The talk is recorded between this client and two servers and compared: nothing is judged here.
'use strict';

const connect = require('node-vault');

const endpoint = process.argv[2];
const client = (token) => connect({ apiVersion: 'v1', endpoint, token });

async function refused(work) {
  try {
    await work();
  } catch (error) {
    if (error.response) return;
    throw error;
  }
  throw new Error('not refused');
}

async function keys(root) {
  await root.mount({ mount_point: 'team', type: 'kv', options: { version: '2' } });
  await root.mounts();
  await root.write('team/data/app/db', { data: { password: 'hunter2' } });
  await root.write('team/data/app/db', { data: { password: 'hunter3' }, options: { cas: 1 } });
  await refused(() => root.write('team/data/app/db', { data: {}, options: { cas: 1 } }));
  await root.read('team/data/app/db');
  await root.read('team/data/app/db?version=1');
  await root.read('team/metadata/app/db');
  await root.list('team/metadata/app');
  await root.delete('team/data/app/db');
  await refused(() => root.read('team/data/app/db'));
  await refused(() => root.list('team/metadata/none'));
  await refused(() => root.read('none/such'));
}

async function tokens(root) {
  const rules = 'path "team/data/*" { capabilities = ["read"] }';
  await root.addPolicy({ name: 'reader', rules });
  await root.getPolicy({ name: 'reader' });
  await root.policies();
  // A client takes the token that it made as its own.
  const made = await client('root').tokenCreate({ policies: ['reader'], ttl: '1h', renewable: true });
  const reader = client(made.auth.client_token);
  await reader.tokenLookupSelf();
  await reader.tokenRenewSelf();
  await refused(() => reader.write('team/data/x', { data: {} }));
  await root.tokenLookup({ token: made.auth.client_token });
  await root.tokenLookupAccessor({ accessor: made.auth.accessor });
  await root.tokenAccessors().then((all) => all.data.keys.length);
  await root.tokenRevoke({ token: made.auth.client_token });
  await refused(() => reader.tokenLookupSelf());
  await root.removePolicy({ name: 'reader' });
}

async function logins(root) {
  await root.enableAuth({ mount_point: 'approle', type: 'approle' });
  await root.auths();
  await root.addApproleRole({ role_name: 'ci', token_policies: 'default', secret_id_num_uses: 1 });
  await root.getApproleRole({ role_name: 'ci' });
  await root.approleRoles();
  const role = await root.getApproleRoleId({ role_name: 'ci' });
  const secret = await root.getApproleRoleSecret({ role_name: 'ci' });
  const login = { role_id: role.data.role_id, secret_id: secret.data.secret_id };
  await client().approleLogin(login);
  await refused(() => client().approleLogin(login));
  await root.deleteApproleRole({ role_name: 'ci' });
  await root.enableAuth({ mount_point: 'userpass', type: 'userpass' });
  await root.write('auth/userpass/users/ada', { password: 'lovelace', policies: 'default' });
  await client().userpassLogin({ username: 'ada', password: 'lovelace' });
  await refused(() => client().userpassLogin({ username: 'ada', password: 'byron' }));
  await root.disableAuth({ mount_point: 'userpass' });
}

async function rest(root) {
  await root.health();
  await root.status();
  await root.initialized();
  await root.write('cubbyhole/own', { a: 'b' });
  await root.read('cubbyhole/own');
  await root.write('sys/wrapping/wrap', { answer: '42' }, { headers: { 'X-Vault-Wrap-TTL': '60' } })
    .then((made) => client(made.wrap_info.token).unwrap());
  await root.remount({ from: 'team', to: 'group' });
  await root.unmount({ mount_point: 'group' });
}

(async () => {
  const root = client('root');
  await keys(root);
  await tokens(root);
  await logins(root);
  await rest(root);
})().catch((error) => {
  console.error(error.response ? JSON.stringify(error.response.body) : error, error.stack);
  process.exit(1);
});
