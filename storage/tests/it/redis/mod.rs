mod basics;
mod bounds;
mod drops;
mod families;
mod faults;
mod hostile;
mod tls;
mod transactions;
